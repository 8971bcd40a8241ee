"""What stands between the network and the routes: who may ask, how much, and whom the server itself may ask."""
