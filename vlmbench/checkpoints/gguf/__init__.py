"""LLaVA as llama.cpp and Ollama read it: GGUF files and a Modelfile, read back and compared."""
