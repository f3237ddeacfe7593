# Means: R's own tests and regressions, sandwich, clubSandwich, estimatr.

quietly("sandwich")
quietly("clubSandwich")
quietly("estimatr")

arms <- lapply(1:2, function(i) as.data.frame(lapply(given$units, `[[`, i)))
one <- arms[[1]]
two <- arms[[2]]
both <- rbind(cbind(one, arm = 0), cbind(two, arm = 1))

student <- function(...) {
  found <- t.test(two$value, one$value, ...)
  list(
    difference = unname(found$estimate[1] - found$estimate[2]), standard_error = found$stderr,
    statistic = unname(found$statistic), p_value = found$p.value, lower = found$conf.int[1], upper = found$conf.int[2]
  )
}
answers$welch <- student(conf.level = 0.9)
answers$welch_null <- student(mu = 0.75)

below <- t.test(two$value, one$value, alternative = "greater", mu = 1.5, conf.level = 0.975)
above <- t.test(two$value, one$value, alternative = "less", mu = 4, conf.level = 0.975)
answers$non_inferiority <- list(
  statistic = c(below$statistic, -above$statistic), p_value = c(below$p.value, above$p.value),
  worst = c(below$conf.int[1], above$conf.int[2]), df = c(below$parameter, above$parameter)
)

# A slope for each arm: the regression of each arm, read at the covariate's mean over both.
middle <- data.frame(covariate = mean(both$covariate))
fits <- lapply(list(one, two), function(arm) lm(value ~ covariate, arm))
read <- lapply(fits, predict, newdata = middle, se.fit = TRUE)
apart <- coef(fits[[2]])[2] - coef(fits[[1]])[2]
lin <- lm_lin(value ~ arm, ~covariate, both, se_type = "classical")
answers$lin <- list(
  difference = unname(coef(lin)["arm"]),
  variance = unname(read[[1]]$se.fit^2 + read[[2]]$se.fit^2 + apart^2 * var(both$covariate) / nrow(both)),
  slopes = unname(c(coef(fits[[1]])[2], coef(fits[[2]])[2]))
)

# One slope: the analysis of covariance. Its standard error is ours in arms of one size.
even <- rbind(both[both$arm == 0, ], both[both$arm == 1, ][1:40, ])
answers$cuped <- list(
  difference = unname(coef(lm(value ~ arm + covariate, both))["arm"]),
  slope = unname(coef(lm(value ~ arm + covariate, both))["covariate"])
)
fit <- summary(lm(value ~ arm + covariate, even))$coefficients["arm", ]
answers$cuped_even <- list(difference = unname(fit[1]), standard_error = unname(fit[2]))

# Strata of known shares: estimatr weighs a stratum by its units.
strata <- difference_in_means(value ~ arm, both, blocks = stratum)
answers$post_stratification <- list(difference = unname(coef(strata)), standard_error = unname(strata$std.error))

# Clusters.
alone <- lapply(arms, function(arm) lm(value ~ 1, arm))
robust <- mapply(function(fit, arm) vcovCL(fit, cluster = arm$cluster, type = "HC0", cadjust = TRUE), alone, arms)
answers$clusters_cr0 <- list(difference = mean(two$value) - mean(one$value), variance = sum(robust))

both$group <- paste(both$arm, both$cluster)
whole <- lm(value ~ arm, both)
found <- coef_test(whole, vcov = vcovCR(whole, cluster = both$group, type = "CR2"), test = "Satterthwaite")
limits <- conf_int(whole, vcov = vcovCR(whole, cluster = both$group, type = "CR2"), level = 0.9)
answers$clusters_cr2 <- list(
  difference = found$beta[2], standard_error = found$SE[2], df = found$df[2], p_value = found$p_Satt[2],
  lower = limits$CI_L[2], upper = limits$CI_U[2]
)
other <- lm_robust(value ~ arm, both, clusters = group, se_type = "CR2", alpha = 0.1)
answers$clusters_cr2_estimatr <- list(
  difference = unname(other$coefficients[2]), standard_error = unname(other$std.error[2]), df = unname(other$df[2]),
  p_value = unname(other$p.value[2]), lower = unname(other$conf.low[2]), upper = unname(other$conf.high[2])
)

# A ratio of sums is the mean per view, weighted by views; its delta variance is the robust one, G/(G-1) and all.
weighted <- lapply(arms, function(arm) lm(I(clicks / views) ~ 1, arm, weights = views))
delta <- sapply(weighted, function(fit) vcovHC(fit, type = "HC0") * nobs(fit) / (nobs(fit) - 1))
answers$ratio <- list(difference = unname(coef(weighted[[2]]) - coef(weighted[[1]])), variance = sum(delta))

# CUPED of ratios: the regression of each unit's straight line on that of before.
line <- function(above, below) sum(above) / sum(below) + (above - sum(above) / sum(below) * below) / mean(below)
lines <- lapply(arms, function(arm) data.frame(now = line(arm$clicks, arm$views), before = line(arm$clicks_before, arm$views_before)))
straight <- rbind(cbind(lines[[1]], arm = 0), cbind(lines[[2]], arm = 1))
answers$ratio_cuped <- list(difference = unname(coef(lm(now ~ arm + before, straight))["arm"]))

# Fieller's limits are the ratios that a test of b - ratio * a keeps: the roots of a quadratic.
fieller <- function(a, va, b, vb) {
  q <- qnorm(0.975)
  sort(Re(polyroot(c(b^2 - q^2 * vb, -2 * a * b, a^2 - q^2 * va)))) - 1
}
tables <- rbind(c(10, 4, 11, 4), c(2, 0.5, -1, 0.3), c(5, 2, 0.4, 1))
answers$fieller <- list(limits = t(apply(tables, 1, function(row) do.call(fieller, as.list(row)))))
answers$log_lift <- list(limits = 11 / 10 * exp(c(-1, 1) * qnorm(0.975) * sqrt(0.09 / 100 + 0.04 / 121)) - 1)

# Quantiles: ranks by the binomial, and the ordered values behind them.
n <- c(100, 37, 5000, 12)
q <- c(0.5, 0.9, 0.99, 0.25)
answers$ranks <- list(lower = qbinom(0.025, n, q), upper = qbinom(0.975, n, q) + 1)
answers$quantile <- list(value = sapply(arms, function(arm) quantile(arm$value, 0.5, type = 1, names = FALSE)))
