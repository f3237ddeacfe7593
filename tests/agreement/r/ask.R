# What R answers to the questions of one script:  Rscript ask.R means.R inputs.json
# Prints JSON: the versions that answered, and the script's `answers` by name. No CRAN: Debian's packages are enough.

suppressPackageStartupMessages(library(jsonlite))

asked <- commandArgs(trailingOnly = TRUE)
given <- fromJSON(asked[2], simplifyMatrix = TRUE)
answers <- list()
quietly <- function(package) suppressPackageStartupMessages(library(package, character.only = TRUE))
columns <- function(rows) list(won = rows[, 1], n = rows[, 2])
plain <- function(values) as.numeric(values)

sink(stderr()) # some packages report their progress
source(asked[1])
sink()

packages <- setdiff(names(sessionInfo()$otherPkgs), "jsonlite")
versions <- c(R = paste(R.version$major, R.version$minor, sep = "."), sapply(packages, function(p) as.character(packageVersion(p))))
cat(toJSON(list(versions = as.list(versions), answers = answers), digits = NA, auto_unbox = TRUE, na = "null", pretty = 1))
