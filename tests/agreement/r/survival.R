# Times to an event: the package survival, on Freireich's children and on units that enter day by day.

quietly("survival")

arms <- lapply(1:2, function(i) data.frame(time = given$freireich$time[[i]], status = given$freireich$status[[i]], arm = 2 - i))
both <- do.call(rbind, arms) # the drug is the treatment
precisely <- coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 50)

curve <- function(rows) survfit(Surv(time, status) ~ 1, rows, conf.type = "log-log")
for (i in 1:2) {
  fit <- curve(arms[[i]])
  days <- min(arms[[i]]$time):max(arms[[i]]$time)
  seen <- summary(fit, times = days)
  answers[[c("kaplan_meier_drug", "kaplan_meier_placebo")[i]]] <- list(
    survival = seen$surv, variance = ifelse(seen$surv > 0, seen$std.err^2, NA), lower = seen$lower, upper = seen$upper,
    at_risk = seen$n.risk, events = cumsum(seen$n.event)
  )
  by <- quantile(fit, c(0.25, 0.5, 0.6))
  answers[[c("quantiles_drug", "quantiles_placebo")[i]]] <- lapply(by, plain)
}

restricted <- function(rows, tau) summary(curve(rows), rmean = tau)$table[c("rmean", "se(rmean)")]
means <- sapply(c(12, 20), function(tau) c(restricted(arms[[1]], tau), restricted(arms[[2]], tau)))
answers$rmst <- list(
  drug = unname(means[1, ]), drug_variance = unname(means[2, ]^2),
  placebo = unname(means[3, ]), placebo_variance = unname(means[4, ]^2)
)

answers$rmst_difference <- list(difference = unname(means[1, 2] - means[3, 2]), variance = sum(means[c(2, 4), 2]^2))

rank <- survdiff(Surv(time, status) ~ arm, both)
answers$log_rank <- list(score = rank$obs[2] - rank$exp[2], variance = rank$var[2, 2], chi_square = rank$chisq, p_value = rank$pvalue)
cox <- summary(coxph(Surv(time, status) ~ arm, both, ties = "efron", control = precisely))
answers$cox <- list(difference = cox$coefficients[1, 1], standard_error = cox$coefficients[1, 3])

# The share by a day, and Klein's test on log(-log S).
shares <- lapply(arms, function(rows) summary(curve(rows), times = 10))
answers$share_by <- list(
  share = 1 - sapply(shares, `[[`, "surv"), variance = sapply(shares, `[[`, "std.err")^2,
  lower = 1 - sapply(shares, `[[`, "upper"), upper = 1 - sapply(shares, `[[`, "lower")
)
scale <- sapply(shares, function(s) c(log(-log(s$surv)), (s$std.err / (s$surv * log(s$surv)))^2))
klein <- (scale[1, 1] - scale[1, 2]) / sqrt(sum(scale[2, ])) # treatment (the drug) less control
answers$share_test <- list(statistic = klein, p_value = 2 * pnorm(-abs(klein)))

# Units that enter day by day, as they were known on some days of the past.
entering <- do.call(rbind, lapply(1:2, function(i) {
  data.frame(entry = given$staggered$entry[[i]], time = given$staggered$time[[i]], status = given$staggered$status[[i]], arm = i - 1)
}))
known <- function(day) {
  rows <- entering[entering$entry < day, ]
  watched <- day - rows$entry
  transform(rows, status = ifelse(time <= watched, status, 0), time = pmin(time, watched))
}
days <- c(4, 9, 14, 20)
told <- function(grouped) {
  found <- sapply(days, function(day) {
    rows <- known(day)
    rows$stratum <- grouped(rows$entry)
    test <- survdiff(Surv(time, status) ~ arm + strata(stratum), rows)
    c(rowSums(as.matrix(test$obs) - as.matrix(test$exp))[2], test$var[2, 2], test$chisq)
  })
  list(score = found[1, ], variance = found[2, ], chi_square = found[3, ])
}
pooled <- sapply(days, function(day) {
  test <- survdiff(Surv(time, status) ~ arm, known(day))
  c(test$obs[2] - test$exp[2], test$var[2, 2], test$chisq)
})
answers$staggered_pooled <- list(score = pooled[1, ], variance = pooled[2, ], chi_square = pooled[3, ])
answers$staggered_by_entry <- told(identity)
answers$staggered_by_five <- told(function(entry) entry %/% 5)
stratified <- coxph(Surv(time, status) ~ arm + strata(entry %/% 5), entering, ties = "efron", control = precisely)
answers$cox_strata <- list(difference = unname(coef(stratified)), standard_error = sqrt(vcov(stratified)[1, 1]))
late <- sapply(days[2:4], function(day) {
  sapply(0:1, function(arm) restricted(known(day)[known(day)$arm == arm, ], 5))
})
answers$staggered_rmst <- list(difference = late[3, ] - late[1, ], variance = late[2, ]^2 + late[4, ]^2)
