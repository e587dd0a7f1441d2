"""Every checkpoint layout: what each folder or file holds, read into one noun and written from it."""
