"""What a training costs before anything is loaded: steps, parameters, memory, time, and what is missing."""
