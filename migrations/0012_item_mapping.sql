-- How the items of a DynamoDB table become rows, as it was decided when the pipeline began.
CREATE TABLE IF NOT EXISTS penstock.item_mapping (
  pipeline text NOT NULL,
  source_table text NOT NULL,
  mapping text NOT NULL,
  PRIMARY KEY (pipeline, source_table)
)
