"""Why a query ran, found on the stack while it runs, and what would be tried first where it runs again and again."""
