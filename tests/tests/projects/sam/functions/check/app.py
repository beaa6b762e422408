import os

from prices import LIMIT


def lambda_handler(event, context):
    return {"price": event.get("price", 1), "limit": LIMIT, "currency": os.environ["CURRENCY"]}
