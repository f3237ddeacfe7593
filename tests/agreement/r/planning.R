# Planning: R's own power functions and rpact.

quietly("rpact")

fixed <- function(...) getDesignGroupSequential(kMax = 1, ...)
two_sided <- fixed(alpha = 0.05, sided = 2, beta = 0.2)
one_sided <- fixed(alpha = 0.025, sided = 1, beta = 0.1)

answers$shares <- list(
  units = sapply(list(c(0.1, 0.12), c(0.5, 0.42), c(0.02, 0.03)), function(p) {
    power.prop.test(p1 = p[1], p2 = p[2], power = 0.8, tol = 1e-12)$n
  }),
  power = power.prop.test(n = 2500, p1 = 0.1, p2 = 0.12)$power
)
answers$means <- list(
  units = sapply(c(0.5, 0.1, 1.4), function(d) power.t.test(delta = d, sd = 1, power = 0.8, tol = 1e-13)$n)
)
uneven <- getSampleSizeRates(two_sided, pi1 = 0.14, pi2 = 0.1, allocationRatioPlanned = 0.5)
answers$shares_uneven <- list(units = plain(uneven$nFixed2))
safe <- getSampleSizeRates(one_sided, thetaH0 = -0.05, pi1 = 0.86, pi2 = 0.85, allocationRatioPlanned = 2)
answers$non_inferior_shares <- list(units = plain(safe$nFixed2))
normal <- getSampleSizeMeans(two_sided, alternative = 0.5, stDev = 2, normalApproximation = TRUE, allocationRatioPlanned = 1.5)
answers$normal <- list(units = plain(normal$nFixed2))
answers$events <- list(needed = sapply(list(c(0.5, 1), c(1.3, 2)), function(case) {
  plain(getSampleSizeSurvival(two_sided, hazardRatio = case[1], lambda2 = 0.1, allocationRatioPlanned = case[2])$eventsFixed)
}))
# A find in the wrong direction does not count: one side of a two-sided test.
upwards <- fixed(alpha = 0.025, sided = 1, beta = 0.2)
answers$power <- list(
  normal = plain(getPowerMeans(upwards, alternative = 0.5, stDev = 2, normalApproximation = TRUE, maxNumberOfSubjects = 400)$overallReject),
  non_inferior = plain(getPowerRates(one_sided, thetaH0 = -0.05, pi1 = 0.86, pi2 = 0.85, maxNumberOfSubjects = 1200)$overallReject),
  events = plain(getPowerSurvival(upwards, hazardRatio = 0.5, lambda2 = 0.1, maxNumberOfEvents = 66, maxNumberOfSubjects = 200, directionUpper = FALSE)$overallReject)
)
answers$mde <- list(shares = power.prop.test(n = 2500, p1 = 0.1, power = 0.8, tol = 1e-13)$p2 - 0.1)
answers$information <- list(amount = ((qnorm(0.975) + qnorm(0.8)) / c(0.02, -1.5))^2)

# Restricted means: the expected counts of units that enter on 6 days and wait 4 more, as weighted rows of survfit.
quietly("survival")
curve <- c(0.92, 0.85, 0.8, 0.74, 0.71, 0.66, 0.61, 0.6, 0.57, 0.55)
hazard <- -diff(c(1, curve))
rows <- do.call(rbind, lapply(10:5, function(watched) {
  data.frame(time = c(1:watched, watched), status = c(rep(1, watched), 0), weight = c(hazard[1:watched], curve[watched]) / 6)
}))
fit <- survfit(Surv(time, status) ~ 1, rows, weights = weight, robust = FALSE)
mean <- summary(fit, rmean = 8)$table[c("rmean", "se(rmean)")]
answers$rmst <- list(value = unname(mean[1]), unit_variance = unname(mean[2]^2))
