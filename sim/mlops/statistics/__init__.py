"""Statistics: scores, distances and estimates from arrays; nothing here knows of jobs, logs or stores."""
