with open("data/shop.beancount", "w") as file:
    file.write(
        """\
option "title" "Shop"
option "operating_currency" "EUR"
2026-01-01 open Assets:Till EUR
2026-01-01 open Income:Sales EUR
2026-01-02 * "Anna" "A book" #books
  Assets:Till     12.50 EUR
  Income:Sales   -12.50 EUR
2026-01-03 balance Assets:Till 12.50 EUR
"""
    )
