"""Class 26: imports well everywhere; the first use is what fails."""


def __getattr__(name):
    if name == "answer":
        from ._engine import answer

        return answer
    raise AttributeError(name)
