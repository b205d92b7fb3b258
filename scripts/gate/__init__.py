"""What the `gate` command stands on: rounds of launches, what is affected, the self-test, the reports."""
