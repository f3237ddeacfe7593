"""Reviews: what a team looks at each week, month and quarter, made from what is known; and what is to be done next."""
