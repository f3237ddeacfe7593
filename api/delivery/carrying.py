"""Carrying one parcel to its endpoint, by whichever way that takes."""

from api.delivery import addresses, mailing, parcels, posting, signing
from api.delivery.errors import BadAddress
from api.delivery.outside import Outside
from api.delivery.parcels import Parcel
from api.delivery.schedule import Answer
from api.delivery.tables import EndpointKind

NO_MAIL = "This server sends no e-mail: TRUELIFT_SMTP_HOST and TRUELIFT_SMTP_FROM are not set."


async def carry(parcel: Parcel, outside: Outside) -> Answer:
    """Send a parcel and return what came of it. The address is held against the rules of today, not of its day."""
    if parcel.kind is EndpointKind.EMAIL:
        return await _mail(parcel, outside)
    try:
        target = addresses.target(parcel.address, outside.allowed)
    except BadAddress as bad:
        return Answer(fault=str(bad))
    if parcel.kind is EndpointKind.SLACK:
        return await posting.post(target, {}, parcels.slack(parcel, outside.base_url), outside.resolve)
    body = parcels.webhook(parcel)
    keys = [signing.key(outside.secret, salt) for salt in parcel.salts]
    signed = signing.headers(keys, identity=parcel.identity, at=parcel.sent_at, body=body)
    return await posting.post(target, signed, body, outside.resolve)


async def _mail(parcel: Parcel, outside: Outside) -> Answer:
    if outside.mail is None:
        return Answer(fault=NO_MAIL)
    return await mailing.send(outside.mail, parcels.mail(parcel, outside.base_url, outside.mail.sender))
