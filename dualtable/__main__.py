"""`python -m dualtable` is the command line."""

import sys

from dualtable._cli import main

sys.exit(main())
