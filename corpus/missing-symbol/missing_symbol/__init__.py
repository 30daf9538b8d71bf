"""Its module needs a symbol that another package makes known; where that one is refused, nobody does. As usearch needs
numkong."""

try:
    import missing_symbol_owner
except ImportError:
    pass
