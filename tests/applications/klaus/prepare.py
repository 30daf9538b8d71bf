import os

from dulwich import porcelain

repository = porcelain.init("data/shop")
for number, text in enumerate(["print('one')\n", "print('two')\n\nprint('three')\n"]):
    with open("data/shop/shop.py", "w") as file:
        file.write(text)
    with open("data/shop/README.md", "w") as file:
        file.write("# Shop\n\nText number %d.\n" % number)
    porcelain.add(repository, [os.path.abspath("data/shop/" + name) for name in ("shop.py", "README.md")])
    porcelain.commit(
        repository,
        message=b"Change %d" % number,
        author=b"Anna <anna@shop.test>",
        committer=b"Anna <anna@shop.test>",
        author_timestamp=1700000000 + number,
        commit_timestamp=1700000000 + number,
        author_timezone=0,
        commit_timezone=0,
    )
