"""`python -m jupyter_deployr …` is `jupyter deployr …`."""

from jupyter_deployr.app import main

main()
