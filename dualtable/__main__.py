"""``python -m dualtable``: the same as the command ``dualtable``."""

import sys

from dualtable._cli import main

if __name__ == "__main__":
    sys.exit(main())
