"""What the API shows: one file a noun, an allow-list of fields. Enums that several nouns share are named here."""

import strawberry

from api.jobs.tables import Noun

strawberry.enum(Noun, name="RowNoun", description="What the rows of a batch or a file are.")
