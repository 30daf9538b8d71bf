tried = False
