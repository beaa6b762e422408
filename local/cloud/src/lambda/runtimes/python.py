"""Runs a handler in Python: asks the Runtime API for events, one after the other, and answers them.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import decimal
import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback

RUNTIME = "/2018-06-01/runtime"


class Context:
    """https://docs.aws.amazon.com/lambda/latest/dg/python-context.html"""

    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))


class Failure(Exception):
    """A failure of the runtime, with the error type that Lambda gives it."""

    def __init__(self, error_type, message):
        super().__init__(message)
        self.error_type = error_type


def load(handler):
    module, _, function = handler.rpartition(".")
    if not module:
        raise Failure("Runtime.MalformedHandlerName", f"Bad handler '{handler}': expected FILE.FUNCTION")
    try:
        loaded = importlib.import_module(module.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module}': {error}"
        raise Failure("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        message = f"Syntax error in module '{module}': {error}"
        raise Failure("Runtime.UserCodeSyntaxError", message) from error
    if not hasattr(loaded, function):
        message = f"Handler '{function}' missing on module '{module}'"
        raise Failure("Runtime.HandlerNotFound", message)
    return getattr(loaded, function)


def plain(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def answer(value):
    try:
        return json.dumps(value, default=plain, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise Failure("Runtime.MarshalError", f"Unable to marshal response: {error}") from error


def failure(error):
    own = __file__
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != own]
    return {
        "errorMessage": str(error),
        "errorType": getattr(error, "error_type", type(error).__name__),
        "stackTrace": traceback.format_list(frames),
    }


class Api:
    def __init__(self):
        self.connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

    def call(self, method, path, body=None, headers=None):
        self.connection.request(method, RUNTIME + path, body, headers or {})
        response = self.connection.getresponse()
        return response.headers, response.read()

    def post(self, path, document, error_type=None):
        headers = {"Content-Type": "application/json"}
        if error_type:
            headers["Lambda-Runtime-Function-Error-Type"] = error_type
        self.call("POST", path, document.encode(), headers)


class Lines(logging.Handler):
    """Records of the root logger as Lambda writes them."""

    request_id = ""

    def emit(self, record):
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        milliseconds = int(record.msecs)
        line = f"[{record.levelname}]\t{moment}.{milliseconds:03d}Z\t{self.request_id}\t{self.format(record)}"
        print(line, flush=True)


def main():
    api = Api()
    lines = Lines()
    logging.getLogger().addHandler(lines)
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    try:
        handle = load(os.environ["_HANDLER"])
    except Exception as error:
        document = failure(error)
        traceback.print_exception(type(error), error, error.__traceback__)
        api.post("/init/error", json.dumps(document), document["errorType"])
        sys.exit(1)
    while True:
        headers, body = api.call("GET", "/invocation/next")
        context = Context(headers)
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id", "")
        lines.request_id = context.aws_request_id
        place = f"/invocation/{context.aws_request_id}"
        try:
            document = answer(handle(json.loads(body), context))
        except Exception as error:
            document = failure(error)
            document["requestId"] = context.aws_request_id
            api.post(f"{place}/error", json.dumps(document), document["errorType"])
        else:
            api.post(f"{place}/response", document)
        sys.stdout.flush()


main()
