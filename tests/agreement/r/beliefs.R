# Posteriors, corrected winners and exact evidence, by R's own distributions, quadrature and root finding.

area <- function(f, from, to) integrate(f, from, to, rel.tol = 1e-12, abs.tol = 0, subdivisions = 2000L)$value

effects <- given$effects
prior <- list(mean = 0.1, sd = 0.3)
posterior <- lapply(seq_along(effects$difference), function(i) {
  seen <- effects$difference[i]
  error <- sqrt(effects$variance[i])
  around <- seen + c(-1, 1) * 40 * error
  density <- function(x) dnorm(seen, x, error) * dnorm(x, prior$mean, prior$sd)
  middle <- optimize(function(x) log(density(x)), c(-1, 1), maximum = TRUE)$maximum
  pieces <- function(f, low, high) {
    cuts <- sort(unique(pmin(pmax(c(low, middle + seq(-12, 12) * error, high), low), high)))
    sum(mapply(function(a, b) area(f, a, b), head(cuts, -1), tail(cuts, -1)))
  }
  low <- middle - 14 * error
  high <- middle + 14 * error
  all <- pieces(density, low, high)
  mean <- pieces(function(x) x * density(x), low, high) / all
  list(
    mean = mean, variance = pieces(function(x) (x - mean)^2 * density(x), low, high) / all,
    chance_to_beat_control = pieces(density, max(0, low), high) / all,
    loss_if_kept = pieces(function(x) x * density(x), max(0, low), high) / all
  )
})
answers$posterior <- lapply(setNames(nm = names(posterior[[1]])), function(part) sapply(posterior, `[[`, part))

# Given that |z| reached 1.96: the most likely mean, and the limits of the same distribution.
z <- c(2.05, 2.8, 4.5)
bar <- 1.96
chosen <- function(mean) pnorm(mean - bar) + pnorm(-mean - bar)
likely <- sapply(z, function(seen) {
  slope <- function(mean) (seen - mean) - (dnorm(mean - bar) - dnorm(mean + bar)) / chosen(mean)
  uniroot(slope, c(0, seen), tol = 1e-14)$root
})
limit <- function(seen, tail) uniroot(function(mean) pnorm(mean - seen) / chosen(mean) - tail, c(-6, seen + 8), tol = 1e-14)$root
answers$winner <- list(estimate = likely, lower = sapply(z, limit, tail = 0.025), upper = sapply(z, limit, tail = 0.975))

# Evidence by its definition: the likelihood mixed over the alternatives, over that of the null.
ratio <- function(x, seen, variance, null) exp(((seen - null)^2 - (seen - x)^2) / (2 * variance))
mixed <- function(seen, variance, sd, null, low = -8) {
  steps <- null + sd * seq(low, 8, by = 1)
  over <- function(x) dnorm(x, null, sd) * ratio(x, seen, variance, null)
  log(sum(mapply(function(a, b) area(over, a, b), head(steps, -1), tail(steps, -1))))
}
answers$mixture_evidence <- list(log_e = mapply(mixed, effects$difference, effects$variance, sd = 0.2, null = 0.05))
upwards <- function(seen, variance) log(2) + mixed(seen, variance, sqrt(0.02), 0, low = 0)
answers$one_sided_evidence <- list(log_e = mapply(upwards, effects$difference, effects$variance))
answers$one_sided_width <- list(width = sapply(effects$variance, function(variance) {
  uniroot(function(seen) upwards(seen, variance) - log(20), c(0.01, 12 * sqrt(variance)), tol = 1e-13)$root
}))

won <- cumsum(given$daily_shares$treatment[, 1])
n <- cumsum(given$daily_shares$treatment[, 2])
answers$one_share <- list(log_e = lbeta(0.5 + won, 0.5 + n - won) - lbeta(0.5, 0.5) - dbinom(won, n, 0.2, log = TRUE) + lchoose(n, won))

against <- function(p, won, n) lbeta(0.5 + won, 0.5 + n - won) - lbeta(0.5, 0.5) - won * log(p) - (n - won) * log(1 - p) - log(20)
end <- function(won, n, far) uniroot(against, sort(c(won / n, far)), won = won, n = n, tol = 1e-15)$root
answers$one_share_interval <- list(lower = mapply(end, won, n, far = 1e-12), upper = mapply(end, won, n, far = 1 - 1e-12))

# Turner, Ly & Grunwald's blocks, by R's binomial.
blocks <- function(one, two) {
  log_e <- 0
  before <- c(0, 0, 0, 0)
  sapply(seq_len(nrow(one)), function(day) {
    a <- (0.18 + before[1]) / (0.36 + before[2])
    b <- (0.18 + before[3]) / (0.36 + before[4])
    both <- (one[day, 2] * a + two[day, 2] * b) / (one[day, 2] + two[day, 2])
    likelihood <- function(rows, p) dbinom(rows[day, 1], rows[day, 2], p, log = TRUE)
    log_e <<- log_e + likelihood(one, a) + likelihood(two, b) - likelihood(one, both) - likelihood(two, both)
    before <<- before + c(one[day, ], two[day, ])
    log_e
  })
}
answers$two_shares <- list(log_e = blocks(given$daily_shares$control, given$daily_shares$treatment))

# The safe log-rank test: the mean of ratio^U over R's central hypergeometric, cell by cell.
cell <- function(treated, untreated, gained, events, ratio) {
  u <- 0:events
  gained * log(ratio) - log(sum(dhyper(u, treated, untreated, events) * ratio^u))
}
entering <- function(i) data.frame(entry = given$staggered$entry[[i]], time = given$staggered$time[[i]], status = given$staggered$status[[i]])
arms <- lapply(1:2, entering)
evidence <- function(ratio) {
  news <- numeric(20)
  for (entry in 0:19) for (age in 1:(20 - entry)) {
    count <- sapply(arms, function(rows) {
      own <- rows[rows$entry == entry, ]
      c(sum(own$time >= age), sum(own$time == age & own$status == 1))
    })
    if (all(count[1, ] > 0) && sum(count[2, ]) > 0) {
      day <- entry + age
      news[day] <- news[day] + cell(count[1, 2], count[1, 1], count[2, 2], sum(count[2, ]), ratio)
    }
  }
  cumsum(news)
}
up <- evidence(1.5)
down <- evidence(1 / 1.5)
answers$safe_log_rank <- list(one_sided = up, two_sided_e = (exp(up) + exp(down)) / 2)
