"""Runs made readable: tables, JSON, spreadsheets. Knows no model and no benchmark."""
