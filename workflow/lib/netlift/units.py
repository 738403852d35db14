"""Units of the numbers in tables: one wording for each."""

PER_ROW = "clicks per item row"
PER_SLATE = "clicks per slate"
PER_POSITION = "clicks per item row and position"
PER_1000 = "clicks per 1,000 promoted slates"
PER_1000_CONTROL = "clicks per 1,000 control slates"
RATIO = "ratio, without unit"
