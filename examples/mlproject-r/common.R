# Options and tables, for train.R and predict.R. Base R only.

# An option of the model, a number, from a config.yml such as
#   user_option_values:
#     n_years: 10
read_option <- function(path, name, default) {
  pattern <- paste0("^(  )?", name, ": +([0-9.]+) *$")
  found <- grep(pattern, readLines(path, warn = FALSE), value = TRUE)
  if (length(found) == 0) default else as.numeric(sub(pattern, "\\2", found[1]))
}

# A CSV file with every column as text, so that a code such as 007 stays one.
read_table <- function(path, columns) {
  table <- read.csv(path, colClasses = "character", na.strings = "", check.names = FALSE)
  missing <- setdiff(columns, names(table))
  if (length(missing) > 0) {
    stop("Expected the column ", missing[1], " in ", path, "; it has ", toString(names(table)),
      call. = FALSE)
  }
  table
}

# The year and the part of the year of months (2024-01) and ISO weeks (2024-W05).
read_periods <- function(text) {
  wrong <- which(!grepl("^[0-9]{4}-?W?[0-9]{1,2}$", text))
  if (length(wrong) > 0) {
    stop("Expected months or weeks such as 2024-01 or 2024-W05 in time_period, got ",
      text[wrong[1]], call. = FALSE)
  }
  data.frame(
    year = as.integer(substr(text, 1, 4)),
    part = as.integer(sub("^....-?W?", "", text)),
    parts = ifelse(grepl("W", text), 53, 12)
  )
}
