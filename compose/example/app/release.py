"""Who answers: bluegreen tells a container its color and release, and nothing else."""

import os


def release() -> dict[str, str]:
    return {
        "color": os.environ.get("BLUEGREEN_COLOR", "none"),
        "release": os.environ.get("BLUEGREEN_RELEASE", "0"),
    }
