"""`python -m holystone` is the same command as `holystone`."""

from holystone.cli.main import main

if __name__ == "__main__":
    main()
