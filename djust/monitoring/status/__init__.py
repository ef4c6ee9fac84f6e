"""How the service is doing, for those who look: people, balancers and scrapers. Asks the database and the store."""
