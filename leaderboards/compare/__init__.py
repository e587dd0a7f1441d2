"""Two runs or more, question by question, by the test that fits."""
