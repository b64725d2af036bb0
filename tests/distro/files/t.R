set.seed(1); x <- matrix(runif(250000), 500); y <- crossprod(x)
cat(round(sum(diag(y)), 3), length(unique((1:200000 * 7919) %% 10007)), "\n")
l <- lapply(1:20000, function(i) rep(i, 20)); cat(sum(unlist(l)), "\n"); invisible(gc())
