"""InternLM, InternLM2 and Phi-3 without remote code, as Llama."""
