# Several experiments, and several questions: metafor and R's p.adjust.

quietly("metafor")

strict <- list(threshold = 1e-14, maxiter = 1000)
for (i in seq_len(nrow(given$experiments))) {
  effects <- list(yi = given$experiments$estimate[[i]], vi = given$experiments$variance[[i]])
  pool <- function(...) rma(effects$yi, effects$vi, ...)
  common <- pool(method = "FE")
  dl <- pool(method = "DL")
  reml <- pool(method = "REML", control = strict)
  knapp <- pool(method = "REML", test = "adhoc", control = strict)
  ahead <- predict(knapp)
  k <- length(effects$yi)
  # metafor's limits use t on k - 1; the same error with t on k - 2 (its later pi.type = "Riley") is ours.
  half <- (ahead$pi.ub - ahead$pi.lb) / 2 / qt(0.975, k - 1) * qt(0.975, k - 2)
  answers[[paste0("pool_", i)]] <- list(
    common = plain(common$beta), common_error = common$se, common_p = common$pval, common_limits = c(common$ci.lb, common$ci.ub),
    q = common$QE, q_p_value = common$QEp, tau2 = reml$tau2, tau2_dersimonian_laird = dl$tau2,
    i2 = max(0, 1 - (k - 1) / common$QE),
    random = plain(knapp$beta), random_error = knapp$se, random_p = knapp$pval, random_limits = c(knapp$ci.lb, knapp$ci.ub),
    prediction = plain(knapp$beta) + c(-1, 1) * half
  )
}

for (method in c("holm", "hochberg", "BH", "BY")) answers[[method]] <- list(adjusted = p.adjust(given$p_values, method))
answers$e_bh <- list(adjusted = p.adjust(exp(-given$log_e), "BH")) # e-BH is BH on 1/e, which may be above 1
k <- length(given$p_values)
answers$bonferroni <- list(half_width = qnorm(1 - 0.05 / 2 / k))
answers$together <- list(product = sum(given$log_e), average = log(mean(exp(given$log_e))))
