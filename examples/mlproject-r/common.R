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

# The year and the part of the year of months (2024-01, 202401) and weeks (2024-W05, 2024W5, DHIS2's 2024SunW5 and so on, and
# chap-core's 2024-S05: from the Sunday with which ISO week 5 ends). Both can be a first and a last day: 2023-12-25/2023-12-31.
read_periods <- function(text) {
  days <- read_days(text)
  first <- days$first
  last <- days$last
  monthly <- format(first, "%d") == "01" & format(last + 1, "%d") == "01" & last - first < 31
  weekly <- last - first == 6
  wrong <- which(!((monthly | weekly) %in% TRUE))
  if (length(wrong) > 0) {
    stop("Expected months or weeks such as 2024-01 or 2024-W05 in time_period, got ",
      text[wrong[1]], call. = FALSE)
  }
  # A week is that of its fourth day.
  within <- first + ifelse(weekly, 3, 0)
  data.frame(
    year = ifelse(weekly, as.integer(format(within, "%G")), year_of(within)),
    part = as.integer(ifelse(weekly, format(within, "%V"), format(within, "%m"))),
    parts = ifelse(weekly, 53, 12)
  )
}

# The first and the last day of each period, NA where it is none.
read_days <- function(text) {
  first <- last <- rep(as.Date(NA), length(text))
  month <- grep("^[0-9]{4}-?[0-9]{2}$", text)
  first[month] <- to_date(sub("^(.{4})-?(..)$", "\\1-\\2-01", text[month]))
  next_month <- first[month] + 31
  last[month] <- next_month - as.integer(format(next_month, "%d"))

  week <- grep("^[0-9]{4}(-?(Wed|Thu|Fri|Sat|Sun)?W|-S)[0-9]{1,2}$", text)
  first[week] <- first_of_week(
    as.integer(substr(text[week], 1, 4)),
    gsub("[0-9-]", "", text[week]),
    as.integer(sub("^.*[WS]", "", text[week]))
  )
  last[week] <- first[week] + 6

  range <- grep("^[0-9]{4}-[0-9]{2}-[0-9]{2}/[0-9]{4}-[0-9]{2}-[0-9]{2}$", text)
  first[range] <- to_date(substr(text[range], 1, 10))
  last[range] <- to_date(substr(text[range], 12, 21))
  list(first = first, last = last)
}

# NA for a day that the month does not have.
to_date <- function(text) as.Date(text, format = "%Y-%m-%d")

year_of <- function(day) as.integer(format(day, "%Y"))

# The first day of weeks. Week 1 is the one with 4 January, whichever day weeks begin on.
first_of_week <- function(year, mark, number) {
  # Days before Thursday 1970-01-01 on which a week begins. A week of chap-core's begins 6 days after the Monday of its number.
  before <- c(W = 3L, S = 3L, WedW = 1L, ThuW = 0L, FriW = 6L, SatW = 5L, SunW = 4L)[mark]
  fourth <- as.integer(to_date(sprintf("%04d-01-04", year)))
  first <- (fourth + before) %/% 7L * 7L - before + 7L * (number - 1L)
  first <- as.Date(unname(first), origin = "1970-01-01")
  # A week belongs to the year that has its fourth day.
  first[number < 1 | year_of(first + 3) != year] <- NA
  first + ifelse(mark == "S", 6, 0)
}
