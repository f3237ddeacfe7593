# Planned looks: rpact.

quietly("rpact")

spendings <- list(
  obrien_fleming = list(typeOfDesign = "asOF"), pocock = list(typeOfDesign = "asP"),
  hwang_shih_decani = list(typeOfDesign = "asHSD", gammaA = -3)
)
plan <- function(...) suppressWarnings(getDesignGroupSequential(..., tolerance = 1e-10))

for (name in names(spendings)) {
  designs <- lapply(given$fractions, function(t) {
    do.call(plan, c(list(kMax = length(t), alpha = 0.05, sided = 2, informationRates = t, beta = 0.2), spendings[[name]]))
  })
  answers[[paste0("boundaries_", name)]] <- list(bars = unlist(lapply(designs, function(d) d$criticalValues)))
  one <- lapply(given$fractions, function(t) {
    do.call(plan, c(list(kMax = length(t), alpha = 0.025, sided = 1, informationRates = t, beta = 0.2), spendings[[name]]))
  })
  answers[[paste0("upper_boundaries_", name)]] <- list(bars = unlist(lapply(one, function(d) d$criticalValues)))
}

# The classical boundaries of equal looks, and what a plan costs.
classical <- function(type, k) plan(kMax = k, alpha = 0.05, sided = 2, typeOfDesign = type, beta = 0.1)
answers$classical <- list(
  pocock = classical("P", 5)$criticalValues, obrien_fleming = classical("OF", 5)$criticalValues
)
looks <- c(2, 3, 5)
cost <- lapply(looks, function(k) getDesignCharacteristics(plan(kMax = k, alpha = 0.05, sided = 2, typeOfDesign = "asOF", beta = 0.2)))
answers$inflation <- list(horizon = sapply(cost, `[[`, "inflationFactor"), mean = sapply(cost, `[[`, "averageSampleNumber1"))

# The probability to stop at each look, under a drift of 2.5 at the end.
design <- plan(kMax = 4, alpha = 0.025, sided = 1, typeOfDesign = "asOF", beta = 0.2)
found <- getPowerAndAverageSampleNumber(design, theta = 0.25, nMax = 100)
answers$power_one_sided <- list(
  stopping = head(plain(found$earlyStop), 3), power = plain(found$calculatedPower), expected = plain(found$averageSampleNumber) / 100
)

both <- getPowerAndAverageSampleNumber(plan(kMax = 4, alpha = 0.05, sided = 2, twoSidedPower = TRUE, typeOfDesign = "asOF", beta = 0.2), theta = 0.2, nMax = 100)
answers$power_two_sided <- list(power = plain(both$calculatedPower), expected = plain(both$averageSampleNumber) / 100)

# A mixture's bars at 20 looks: the horizon at which they find what one look finds with power 0.8.
drift <- qnorm(0.975) + qnorm(0.8)
c05 <- -2 * log(0.05) + log(1 - 2 * log(0.05))
mixture <- function(horizon) {
  share <- horizon * (1:20) / 20
  k <- c05 * share
  bar <- sqrt((1 + k) / k * (log(1 + k) - 2 * log(0.05)))
  shifted <- rbind(-bar, bar) - rep(drift * sqrt(share), each = 2)
  found <- getGroupSequentialProbabilities(shifted, (1:20) / 20)
  found[3, ] - found[2, ] # stopping upwards at each look
}
answers$always_valid <- list(horizon = uniroot(function(h) sum(mixture(h)) - 0.8, c(1.5, 1.9), tol = 1e-9)$root)

# Stopping for futility, which does not bind.
futile <- function(t, ...) plan(kMax = length(t), alpha = 0.025, sided = 1, informationRates = t, beta = 0.2, bindingFutility = FALSE, ...)
for (i in c(1, 4)) {
  t <- given$fractions[[i]]
  bound <- futile(t, typeOfDesign = "asOF", typeBetaSpending = "bsOF")
  answers[[paste0("futility_", i)]] <- list(
    upper = bound$criticalValues, lower = bound$futilityBounds, drift = sqrt(getDesignCharacteristics(bound)$shift)
  )
}

# After the end: the stage-wise order, for a one-sided test that ended at its third look, from log-rank statistics.
ended <- plan(kMax = 4, alpha = 0.025, sided = 1, typeOfDesign = "asOF", informationRates = c(0.25, 0.5, 0.75, 1))
z <- c(1.1, 1.9, 2.6)
seen <- getDataset(overallLogRanks = z, overallEvents = c(25, 50, 75), overallAllocationRatios = c(1, 1, 1))
stages <- getStageResults(ended, seen, directionUpper = TRUE)
limits <- getFinalConfidenceInterval(ended, seen, directionUpper = TRUE, tolerance = 1e-10)
repeated <- getRepeatedConfidenceIntervals(ended, seen, directionUpper = TRUE, tolerance = 1e-10)
answers$adjusted <- list(
  p_value_above = getFinalPValue(stages)$pFinal, estimate = log(limits$medianUnbiased),
  limits = log(limits$finalConfidenceInterval)
)
answers$repeated_interval <- list(lower = log(repeated[1, 1:3]), upper = log(repeated[2, 1:3]))
