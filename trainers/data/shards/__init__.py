"""Record sets: shards of parquet, Arrow, JSON or webdataset, read once into LLaVA records."""
