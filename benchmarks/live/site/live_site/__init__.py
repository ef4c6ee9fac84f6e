"""The site that both packages serve: written for the names they share."""
