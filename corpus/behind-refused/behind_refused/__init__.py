# Class 27: blocked by a dependency; without that, the module inside would be next.
import slot_one
