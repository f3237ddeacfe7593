# Shares: R's own tests, Epi, rpact.

quietly("Epi")
quietly("rpact")

control <- columns(given$shares$control)
treatment <- columns(given$shares$treatment)
tables <- seq_along(control$won)
each <- function(ask) sapply(tables, function(i) ask(control$won[i], control$n[i], treatment$won[i], treatment$n[i]))

pooled <- function(won, n, tried, m) suppressWarnings(prop.test(c(tried, won), c(m, n), correct = FALSE))
answers$proportions <- list(
  chi_square = each(function(...) unname(pooled(...)$statistic)), p_value = each(function(...) pooled(...)$p.value)
)
limits <- function(method) t(each(function(won, n, tried, m) {
  plain(ci.pd(tried, won, m - tried, n - won, method = method, alpha = 0.05, print = FALSE)[, c(6, 7)])
}))
exact <- function(won, n, tried, m) fisher.test(matrix(c(won, n - won, tried, m - tried), 2))$p.value
answers$fisher <- list(p_value = each(exact))
answers$mid_p <- list(p_value = each(function(won, n, tried, m) {
  chance <- dhyper(0:(won + tried), n, m, won + tried)
  seen <- dhyper(won, n, m, won + tried)
  sum(chance[chance < seen * (1 - 1e-7)]) + sum(chance[abs(chance / seen - 1) <= 1e-7]) / 2
}))

srm <- lapply(1:3, function(i) chisq.test(given$counts$observed[i, ], p = given$counts$weights / sum(given$counts$weights)))
answers$srm <- list(statistic = sapply(srm, function(s) unname(s$statistic)), p_value = sapply(srm, function(s) s$p.value))

answers$newcombe <- list(limits = limits("Nc"))
answers$agresti_caffo <- list(limits = limits("AC"))

# Miettinen & Nurminen: rpact's restricted likelihood (Farrington & Manning), times their N/(N-1); limits by root finding.
restricted <- getFromNamespace(".getFarringtonManningValues", "rpact")
score <- function(won, n, tried, m, null) {
  likely <- restricted(rate1 = tried / m, rate2 = won / n, theta = null, allocation = m / n, method = "diff")
  chance <- likely$ml1 * (1 - likely$ml1) / m + likely$ml2 * (1 - likely$ml2) / n
  (tried / m - won / n - null) / sqrt(chance * (n + m) / (n + m - 1))
}
kept <- function(won, n, tried, m) {
  seen <- tried / m - won / n
  bar <- qnorm(0.975)
  end <- function(beyond, sign) uniroot(function(d) score(won, n, tried, m, d) - sign * bar, sort(c(seen, beyond)), tol = 1e-13)$root
  c(end(-1 + 1e-9, 1), end(1 - 1e-9, -1))
}
answers$miettinen_nurminen <- list(
  statistic = sapply(tables, function(i) {
    score(control$won[i], control$n[i], treatment$won[i], treatment$n[i], given$shares$nulls[i])
  }),
  non_inferiority = pnorm(-each(function(...) score(..., null = -0.1))), limits = t(each(kept))
)
