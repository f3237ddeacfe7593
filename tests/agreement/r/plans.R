# Sizes of designs, looks as they came, planning by days, evidence on a difference of shares, histograms, Holm's bounds.

area <- function(f, from, to) integrate(f, from, to, rel.tol = 1e-12, abs.tol = 0, subdivisions = 2000L)$value
exactly <- function(f, from, to) uniroot(f, c(from, to), tol = 1e-14)$root
reach <- qnorm(0.975) + qnorm(0.8)

# Two looks by one integral: the chance to cross first at each, either way, with bars a and b at information s < t.
two_looks <- function(a, b, s, t, drift = 0) {
  first <- pnorm(a, drift * sqrt(s), lower.tail = FALSE) + pnorm(-a, drift * sqrt(s))
  keep <- sqrt(s / t)
  second <- function(x) {
    after <- drift * sqrt(t) + keep * (x - drift * sqrt(s))
    away <- sqrt(1 - keep^2)
    dnorm(x, drift * sqrt(s)) * (pnorm(b, after, away, lower.tail = FALSE) + pnorm(-b, after, away))
  }
  c(first, area(second, -a, a))
}
obrien_fleming <- function(t, alpha) 4 * pnorm(qnorm(alpha / 4) / sqrt(t)) # both sides together
first_bar <- function(t, alpha) -qnorm(obrien_fleming(t, alpha) / 2)
second_bar <- function(s, t, alpha, clock = s) {
  a <- first_bar(clock, alpha)
  exactly(function(b) sum(two_looks(a, b, s, t)) - alpha, 1, 6)
}
answers$overrun <- list(bars = c(first_bar(0.4, 0.05), second_bar(0.4, 1.3, 0.05)))
answers$underrun <- list(bars = c(first_bar(0.4, 0.05), second_bar(0.4, 0.8, 0.05)))
seen <- c(2.1, 2.3)
answers$repeated_p <- list(p = c(
  exactly(function(alpha) first_bar(0.5, alpha) - seen[1], 1e-4, 0.9),
  exactly(function(alpha) second_bar(0.5, 1, alpha) - seen[2], 1e-3, 0.2)
))

# The size of a design with uneven looks: 30 % and all of the information.
bars <- c(first_bar(0.3, 0.05), second_bar(0.3, 1, 0.05))
found <- function(drift) two_looks(bars[1], bars[2], 0.3, 1, drift)
upwards <- function(drift) {
  second <- function(x) dnorm(x, drift * sqrt(0.3)) * pnorm((bars[2] - drift - sqrt(0.3) * (x - drift * sqrt(0.3))) / sqrt(0.7), lower.tail = FALSE)
  pnorm(bars[1], drift * sqrt(0.3), lower.tail = FALSE) + area(second, -bars[1], bars[1])
}
drift <- exactly(function(d) upwards(d) - 0.8, 2, 4)
largest <- (drift / reach)^2
average <- function(d) largest * (1 - 0.7 * found(d)[1])
answers$size <- list(largest = largest, average = c(average(0), average(drift), average(2 * drift)))

# A wedge inside at the first of two looks, which spends beta under the drift of the power and does not bind.
half <- sqrt(0.5)
outer_bars <- c(first_bar(0.5, 0.05), second_bar(0.5, 1, 0.05))
inner_bar <- function(drift) {
  inside <- function(w) pnorm(w - drift * half) - pnorm(-w - drift * half) - 2 * pnorm(qnorm(0.1) / half)
  exactly(inside, 0, outer_bars[1])
}
power_beside <- function(drift) {
  second <- function(x) dnorm(x, drift * half) * pnorm((outer_bars[2] - drift - half * (x - drift * half)) / half, lower.tail = FALSE)
  w <- inner_bar(drift)
  pnorm(outer_bars[1], drift * half, lower.tail = FALSE) + area(second, -outer_bars[1], -w) + area(second, w, outer_bars[1])
}
drift <- exactly(function(d) power_beside(d) - 0.8, 2.8, 3.5)
answers$wedge_of_two <- list(outer = outer_bars, inner = inner_bar(drift), drift = drift)

# Planning: R's noncentral t, and days counted one by one.
t_test <- function(...) power.t.test(..., sd = 2, tol = 1e-13)
answers$few_units <- list(
  units = c(t_test(delta = 1, power = 0.8)$n, t_test(delta = 3, power = 0.9, sig.level = 0.025, alternative = "one.sided")$n),
  power = t_test(delta = 1, n = 12)$power, mde = t_test(n = 12, power = 0.8)$delta
)
chance <- function(d, n, r) pnorm(d / sqrt(4 / n + 6 / (n * r)) - qnorm(0.975))
answers$normal_mde <- list(mde = exactly(function(d) chance(d, 150, 1.5) - 0.8, 0.1, 3))
enough <- function(events, hr, r) pnorm(abs(log(hr)) * sqrt(events * r / (1 + r)^2) - qnorm(0.975)) - 0.8
answers$events_mde <- list(mde = c(
  exactly(function(hr) enough(90, hr, 2), 1.1, 9), exactly(function(hr) enough(90, hr, 2), 0.1, 0.9)
))
curve <- c(0.92, 0.85, 0.8, 0.74, 0.71, 0.66, 0.61, 0.6, 0.57, 0.55)
had <- function(watched, hr = 1) 1 - curve[watched]^hr
by_the_end <- function(entered, hr) { # unit by unit of each day
  total <- 0
  for (day in seq_along(entered)) total <- total + entered[day] * had(length(entered) - day + 1, hr)
  total
}
entered <- c(30, 10, 0, 25)
watched <- 9:4 # of units entering on six days and waiting three more
both <- function(day, accrual) by_the_end(ifelse(seq_len(day) <= accrual, 4, 0), 1) + by_the_end(ifelse(seq_len(day) <= accrual, 8, 0), 0.7)
until <- function(events, accrual) which(sapply(1:10, both, accrual = accrual) >= events)[1]
answers$events_by_day <- list(
  expected = c(by_the_end(entered, 1), by_the_end(entered, 0.7)), share = mean(had(watched, 0.7)),
  units = 65 / (mean(had(watched)) + 2 * mean(had(watched, 0.7))), days = c(until(10, 10), until(20, 4), until(1000, 10))
)
final <- function(day, rate, window) sum(rep(rate, day)[seq_len(max(0, day - window + 1))])
first_day <- function(units, rate, window) which(sapply(1:60, final, rate = rate, window = window) >= units)[1]
arrivals <- c(100, 50, 50, 0, 80)
answers$duration <- list(
  days = c(first_day(7682, 1000, 7), first_day(501, 100, 1)),
  from_arrivals = which(cumsum(arrivals) >= 210)[1] + 2 - 1,
  final = c(final(14, 1000, 7), final(3, 1000, 7)), weeks = 7 * c(1, 3)
)

# Factors: a regression's R squared, a covariance matrix written out, a row of differences.
arm <- data.frame(lapply(given$units, `[[`, 1))
sizes <- c(12, 30, 18, 7, 25)
alike <- outer(rep(1:5, sizes), rep(1:5, sizes), function(i, j) ifelse(i == j, 0.05, 0)) + diag(0.95, sum(sizes))
line <- arm$clicks - sum(arm$clicks) / sum(arm$views) * arm$views
answers$factors <- list(
  cuped = 1 - summary(lm(value ~ covariate, arm))$r.squared, cluster = sum(alike) / sum(sizes),
  ratio = var(line) / mean(arm$views)^2, quantile = ((14.25 - 11) / (2 * qnorm(0.975)))^2 * 400
)

# Evidence on a difference of shares, day by day, against the nearest pair that far apart.
one <- given$daily_shares$control
two <- given$daily_shares$treatment
against <- function(apart) {
  before <- rep(0, 4)
  log_e <- 0
  sapply(seq_len(nrow(one)), function(day) {
    a <- (0.18 + before[1]) / (0.36 + before[2])
    b <- (0.18 + before[3]) / (0.36 + before[4])
    n <- one[day, 2]
    m <- two[day, 2]
    slope <- function(p) n * (a / p - (1 - a) / (1 - p)) + m * (b / (p + apart) - (1 - b) / (1 - p - apart))
    p <- exactly(slope, max(0, -apart) + 1e-9, min(1, 1 - apart) - 1e-9)
    likelihood <- function(rows, q) dbinom(rows[day, 1], rows[day, 2], q, log = TRUE)
    log_e <<- log_e + likelihood(one, a) + likelihood(two, b) - likelihood(one, p) - likelihood(two, p + apart)
    before <<- before + c(one[day, ], two[day, ])
    log_e
  })
}
answers$difference_of_shares <- list(log_e = t(sapply(c(-0.2, 0.05, 0.15), against)))
tried <- (-19:19) / 20
kept <- sapply(tried, against) < log(20)
answers$difference_interval <- list(
  lower = apply(kept, 1, function(day) tried[which(day)[1]] - 0.05),
  upper = apply(kept, 1, function(day) tried[rev(which(day))[1]] + 0.05)
)

# R's own distributions, its moments, a running minimum.
answers$distributions <- list(
  normal = c(pnorm(c(-9, 0.3)), pnorm(-40, log.p = TRUE), qnorm(c(1e-12, 0.7))),
  t = c(pt(c(-3, 40), c(2.5, 7)), qt(c(0.001, 0.9), c(3.3, 60)), pt(1.7, 11, ncp = 2.5)),
  chi_square = pchisq(c(0.4, 90), c(1, 7), lower.tail = FALSE), gamma = lgamma(c(0.2, 50)), beta = lbeta(0.18, 400),
  binomial = qbinom(c(0.025, 0.9), c(30, 2000), c(0.5, 0.003)), bar = qnorm(0.975)
)
rows <- as.matrix(arm[, c("value", "covariate")])
answers$moments <- list(
  mean = mean(rows[, 1]), m2 = var(rows[, 1]) * (nrow(rows) - 1),
  means = unname(colMeans(rows)), products = unname(cov(rows)) * (nrow(rows) - 1)
)
variance <- c(0.5, 0.2, 0.1, 0.06, 0.05)
spread <- 0.05 * (-2 * log(0.05) + log(1 - 2 * log(0.05)))
seen <- c(0.9, -0.8, 1.2, 0.4, 0.7)
log_e <- sapply(1:5, function(i) {
  dnorm(seen[i], 0, sqrt(variance[i] + spread), log = TRUE) - dnorm(seen[i], 0, sqrt(variance[i]), log = TRUE)
})
answers$running <- list(log_e = log_e, p = cummin(pmin(1, exp(-log_e))))

# Bins, caps and bounds.
edges <- exp(seq(log(5), log(25), length.out = 41))
at <- findInterval(sort(arm$value), edges, left.open = TRUE)
middle <- at[ceiling(0.5 * length(at))]
answers$histogram <- list(
  counts = tabulate(at + 1, 42), edges = edges, low = edges[middle], high = edges[middle + 1]
)
spent <- c(10, 0, 500, 20, 35)
had_by <- c(60, 900, 5, 30, 5)
answers$cap <- list(value = unname(quantile(rep(spent, had_by), 0.985, type = 1)))
holm <- function(estimate, error) {
  p <- pnorm(-estimate / error)
  down <- order(p)
  rejected <- 0
  while (rejected < length(p) && p[down[rejected + 1]] <= 0.05 / (length(p) - rejected)) rejected <- rejected + 1
  won <- seq_along(p) %in% down[seq_len(rejected)]
  open <- if (all(won)) length(p) else length(p) - rejected
  bound <- estimate - qnorm(1 - 0.05 / open) * error
  ifelse(won, if (all(won)) pmax(bound, 0) else 0, bound)
}
errors <- sqrt(given$effects$variance)
answers$holm_bounds <- list(some = holm(given$effects$difference, errors), all = holm(c(3, 2.5, 2.2), rep(1, 3)))
answers$e_found <- list(found = as.numeric(p.adjust(pmin(1, exp(-given$log_e)), "BH") <= 0.2))

# A wedge inside, which does not bind: rpact spends beta on both sides of zero too.
quietly("rpact")
wedge <- suppressWarnings(getDesignGroupSequential(
  kMax = 3, alpha = 0.05, sided = 2, beta = 0.2, informationRates = c(0.4, 0.7, 1), typeOfDesign = "asOF",
  typeBetaSpending = "bsOF", bindingFutility = FALSE, tolerance = 1e-10
))
answers$wedge <- list(outer = wedge$criticalValues, drift = sqrt(getDesignCharacteristics(wedge)$shift))
