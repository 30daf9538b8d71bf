# Class 27: blocked by a dependency, which is all that keeps the module inside from being imported.
import no_slot
