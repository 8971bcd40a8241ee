"""Pictures for people: contact sheets, explanations, heat, lines and thumbnails."""
