"""Drug interactions: names, pair check and data. No model is called here, and nothing here decides by chance."""
