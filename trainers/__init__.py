"""Training recipes and the pipeline that runs them."""
