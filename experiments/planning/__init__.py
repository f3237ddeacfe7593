"""What is decided before anybody looks: drafts, plans, protocols, designs, and rehearsals of them."""
