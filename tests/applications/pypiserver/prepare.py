open("data/shop-1.0.tar.gz", "wb").write(b"not really")
open("data/shop-1.1-py3-none-any.whl", "wb").write(b"nor this")
