"""What schemathesis has to be told of our bodies: a file of coded images is sent as it is."""

import schemathesis

schemathesis.serializer.alias("application/vnd.pixelrnn", "application/octet-stream")
