"""A thumbnail of a photograph.

Event:   {"image": "<base64 of any format that Pillow reads>", "width": 200}
Answer:  {"image": "<base64 JPEG>", "width": 200, "height": 133, "bytes": 4701,
          "source": {"format": "JPEG", "width": 640, "height": 427, "bytes": 112525}}

A missing or unreadable image is a ValueError, which the caller sees as the function's error.
"""

import base64
import binascii
import io

from PIL import Image, ImageOps, UnidentifiedImageError

WIDTH_DEFAULT = 200
WIDTH_MAX = 2000


def lambda_handler(event, context):
    source_bytes = decode(event.get("image"))
    width = int(event.get("width", WIDTH_DEFAULT))
    if not 1 <= width <= WIDTH_MAX:
        raise ValueError(f"width must be between 1 and {WIDTH_MAX}, not {width}")

    try:
        source = Image.open(io.BytesIO(source_bytes))
        # A camera stores the sensor's picture and says in a tag which way is up.
        upright = ImageOps.exif_transpose(source).convert("RGB")
    except UnidentifiedImageError as error:
        raise ValueError("image is in no format that Pillow reads") from error
    height = max(1, round(upright.height * width / upright.width))
    small = upright.resize((width, height), Image.Resampling.LANCZOS)

    out = io.BytesIO()
    small.save(out, format="JPEG", quality=85, optimize=True)
    answer = out.getvalue()
    print(f"{source.format} {source.width}x{source.height} -> JPEG {width}x{height}, {len(answer)} bytes")
    return {
        "image": base64.b64encode(answer).decode("ascii"),
        "width": width,
        "height": height,
        "bytes": len(answer),
        "source": {
            "format": source.format,
            "width": source.width,
            "height": source.height,
            "bytes": len(source_bytes),
        },
    }


def decode(image):
    if not isinstance(image, str) or not image:
        raise ValueError('the event needs an "image": the picture in base64')
    try:
        return base64.b64decode(image, validate=True)
    except binascii.Error as error:
        raise ValueError('"image" is not valid base64') from error
