"""From requests to responses: who asks which model, and in what order."""
