"""What several rooms speak: HTTP heads, SSE, OpenAI shapes."""
