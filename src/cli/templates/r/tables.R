# Reading tables, periods and options.

# A table of text: codes such as 007 stay what they are, and an empty cell is NA.
read_table <- function(path, columns) {
  table <- read.csv(path, colClasses = "character", check.names = FALSE, na.strings = "",
    encoding = "UTF-8")
  missing <- setdiff(columns, names(table))
  if (length(missing) > 0) {
    stop("Expected the columns ", toString(columns), " in ", basename(path), "; missing: ",
      toString(missing), call. = FALSE)
  }
  table
}

# A table with its numbers, and for each row `index`, in which the next period is one more, and two waves of the season.
read_rows <- function(path, with_cases) {
  columns <- c("time_period", "location", "rainfall", "mean_temperature",
    if (with_cases) "disease_cases")
  table <- read_table(path, columns)
  rows <- table[columns]
  for (name in columns[-(1:2)]) rows[[name]] <- as.numeric(rows[[name]])
  period <- read_periods(rows$time_period)
  rows$index <- period$index
  rows$wave_sin <- sin(2 * pi * period$season)
  rows$wave_cos <- cos(2 * pi * period$season)
  rows
}

# Months such as 2024-01 and weeks such as 2024-W05: their number, and their place in the year from 0 to 1.
read_periods <- function(text) {
  pattern <- "^([0-9]{4})-?(W?)([0-9]{1,2})$"
  wrong <- !grepl(pattern, text)
  if (any(wrong)) {
    stop("Expected months such as 2024-01 or weeks such as 2024-W05, got ", text[wrong][1],
      call. = FALSE)
  }
  year <- as.integer(sub(pattern, "\\1", text))
  number <- as.integer(sub(pattern, "\\3", text))
  weekly <- grepl("W", text)
  # The first week of a year has its 4th of January; 1970 began on a Thursday.
  fourth <- as.integer(as.Date(sprintf("%d-01-04", year)))
  week <- (fourth + 3L) %/% 7L + number - 1L
  list(
    index = ifelse(weekly, week, year * 12L + number - 1L),
    season = (number - 1) / ifelse(weekly, 52.18, 12)
  )
}

# An option of config.yml, wherever it stands there.
read_option <- function(path, name, default) {
  lines <- readLines(path, warn = FALSE)
  pattern <- paste0("^ *", name, ": *")
  found <- grep(pattern, lines, value = TRUE)
  if (length(found) == 0) default else as.numeric(sub(pattern, "", found[1]))
}
