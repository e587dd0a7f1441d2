"""InternLM, InternLM2 and Phi-3 without remote code: Llama under other names."""
