def handlerMap(event, context):
    return {"fields": event.get("fields", 2)}


def handlerBranch(event, context):
    return event["fields"] * 10


def handlerReduce(event, context):
    return {"tons": sum(event), "by": context.function_name}
